//! An attribute of a resource, and the table of them: the single source for what is accepted, defaulted, converted, shown,
//! filtered, sorted, asked of policy and published.

use crate::ApiError;
use crate::field::Field;
use crate::validate;
use crate::view::View;
use serde_json::Value;

/// One attribute.
pub struct Attribute<R> {
    /// Its name in JSON.
    pub name: &'static str,
    /// The extensions that add it; empty for the core.
    pub extensions: &'static [&'static str],
    /// The attribute that this one is another name of.
    pub mirrors: Option<&'static str>,
    /// May be given on create.
    pub post: bool,
    /// May be given on update.
    pub put: bool,
    /// Is shown.
    pub visible: bool,
    /// Can be filtered by.
    pub filter: bool,
    /// Can be sorted by.
    pub sort: bool,
    /// Identifies the object.
    pub primary_key: bool,
    /// Policy needs it to judge any request.
    pub required_by_policy: bool,
    /// Giving it is subject to a rule of its own.
    pub enforce_policy: bool,
    /// What it is when not given on create.
    pub default: Default,
    /// What is done to a value before it is checked.
    pub convert: Convert,
    /// Whether a filter's values are `key=value` pairs.
    pub pairs: bool,
    /// Whether filters take upper and lower case for the same.
    pub folds_case: bool,
    /// How a filter's tags are compared, if its values are some.
    pub tags: Option<TagMatch>,
    /// What a value must be.
    pub validate: Validate,
    /// Reads it from a record.
    pub read: Read<R>,
}

/// Reads an attribute from a record, as the caller sees the state that the record is from. `None` leaves it out of the answer.
pub type Read<R> = for<'a> fn(&'a R, &'a View<'a>) -> Option<Field<'a>>;

/// What an attribute is when it is not given.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Default {
    /// It must be given, if it may be.
    Required,
    /// Whatever the operation makes of its absence.
    Unspecified,
    /// `null`.
    Null,
    /// Text.
    Text(&'static str),
    /// A boolean.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// An empty list.
    EmptyList,
}

impl Default {
    /// The value, if there is one.
    pub fn value(self) -> Option<Value> {
        match self {
            Default::Required | Default::Unspecified => None,
            Default::Null => Some(Value::Null),
            Default::Text(text) => Some(text.into()),
            Default::Bool(value) => Some(value.into()),
            Default::Integer(value) => Some(value.into()),
            Default::EmptyList => Some(Value::Array(vec![])),
        }
    }
}

/// How an object's tags are compared with those that a list is filtered by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TagMatch {
    /// It has all of them.
    All,
    /// It has one of them.
    Any,
    /// It has not all of them.
    NotAll,
    /// It has none of them.
    NotAny,
}

/// A conversion, named as Neutron names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Convert {
    /// None.
    Keep,
    /// `convert_to_boolean`
    Boolean,
    /// `convert_to_boolean_if_not_none`
    BooleanIfGiven,
    /// `convert_to_string`; `null` stays.
    Text,
    /// `convert_to_int`
    Integer,
    /// `convert_to_mac_if_none`; `null` stays and means a random MAC.
    Mac,
    /// `convert_ip_to_canonical_format`
    Address,
    /// `convert_cidr_to_canonical_format`
    Prefix,
    /// `convert_allocation_pools_to_canonical_format`
    Pools,
    /// `convert_none_to_empty_list`
    NullToList,
    /// `convert_protocol`; `null` is any.
    Protocol,
    /// `convert_validate_port_value`
    Port,
    /// `convert_ethertype_to_case_insensitive`
    Ethertype,
    /// `convert_ip_prefix_to_cidr`; `null` is any.
    RemotePrefix,
    /// `convert_valid_object_type`
    SharedType,
    /// `convert_string_to_case_insensitive`
    LowerCase,
    /// `convert_to_protocol`
    ForwardedProtocol,
}

impl Convert {
    /// Converts a value.
    pub(crate) fn apply(self, value: Value) -> Result<Value, ApiError> {
        validate::convert(self, value)
    }
}

/// A check, named as Neutron names it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Validate {
    /// Anything goes.
    Anything,
    /// `uuid`
    Uuid,
    /// `uuid_or_none`
    UuidOrNone,
    /// `name_string`, at most so many characters.
    NameString(usize),
    /// `string`, at most so many characters.
    String(usize),
    /// `non_negative`
    NonNegative,
    /// `string_or_none`, at most so many characters.
    StringOrNone(usize),
    /// `values`, numbers.
    Integers(&'static [i64]),
    /// `values`, texts or null.
    Words(&'static [Option<&'static str>]),
    /// `mac_address`
    Mac,
    /// `fixed_ips`
    FixedIps,
    /// `ip_address_or_none`
    AddressOrNone,
    /// `subnet_or_none`
    PrefixOrNone,
    /// `ip_pools`
    Pools,
    /// `nameservers`
    NameServers,
    /// `hostroutes`
    HostRoutes,
    /// `subnetpool_id_or_none`
    SubnetPoolOrNone,
    /// `dict_or_none`
    ObjectOrNone,
    /// `name_not_default`, at most so many characters.
    NameNotDefault(usize),
    /// `uuid_list`
    Uuids,
    /// `subnet_list`
    Prefixes,
    /// `allowed_address_pairs`
    AddressPairs,
    /// `valid_target_project`
    TargetProject,
    /// `not_empty_name_string`
    NotEmptyName,
    /// `availability_zone_hint_list`: distinct texts of at most 255 characters.
    ZoneHints,
    /// `dict_or_none` of hints for the switch of a host.
    Hints,
    /// `list_of_any_key_specs_or_none` of DHCP options.
    DhcpOpts,
    /// `dns_host_name`, at most so many characters.
    DnsName(usize),
    /// `fip_dns_host_name`, at most so many characters.
    RelativeDnsName(usize),
    /// `dns_domain_name`, at most so many characters.
    DnsDomain(usize),
    /// `list_of_subnet_service_types`
    ServiceTypes,
    /// `boolean`
    Boolean,
    /// `list_of_unique_strings`, each at most so many characters.
    UniqueStrings(usize),
    /// `dict_or_nodata` of a router's gateway: null or empty for none.
    Gateway,
    /// `list_of_dict_or_nodata` of a router's gateways.
    Gateways,
    /// `range_or_none`, both ends allowed.
    RangeOrNone(i64, i64),
    /// `port_range`: a port, or two with a colon between them, from the first to the second here.
    PortRange(i64, i64),
    /// `ip_address`
    Address,
    /// `name_string_or_none`, at most so many characters.
    NameStringOrNone(usize),
    /// `network_segments`
    Segments,
    /// `range`, both ends allowed.
    Range(i64, i64),
}

/// Why a value is not what it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A reason, told with the attribute's name.
    Reason(String),
    /// An error of its own.
    Error(ApiError),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

impl Validate {
    /// Checks a value.
    pub(crate) fn check(self, value: &Value) -> Result<(), Fault> {
        validate::check(self, value)
    }
}

impl<R> Attribute<R> {
    /// An attribute that is shown and can't be set; the builder's start.
    pub const fn new(name: &'static str, read: Read<R>) -> Self {
        Self {
            name,
            extensions: &[],
            mirrors: None,
            post: false,
            put: false,
            visible: true,
            filter: false,
            sort: false,
            primary_key: false,
            required_by_policy: false,
            enforce_policy: false,
            default: Default::Required,
            convert: Convert::Keep,
            pairs: false,
            folds_case: false,
            tags: None,
            validate: Validate::Anything,
            read,
        }
    }

    /// Added by extensions.
    pub const fn by(mut self, extensions: &'static [&'static str]) -> Self {
        self.extensions = extensions;
        self
    }

    /// May be given on create.
    pub const fn post(mut self) -> Self {
        self.post = true;
        self
    }

    /// May be given on update.
    pub const fn put(mut self) -> Self {
        self.put = true;
        self
    }

    /// May be given on create and on update.
    pub const fn post_put(mut self) -> Self {
        self.post = true;
        self.put = true;
        self
    }

    /// Is not shown.
    pub const fn hidden(mut self) -> Self {
        self.visible = false;
        self
    }

    /// Can be filtered by.
    pub const fn filter(mut self) -> Self {
        self.filter = true;
        self
    }

    /// Can be sorted by.
    pub const fn sort(mut self) -> Self {
        self.sort = true;
        self
    }

    /// Can be filtered and sorted by.
    pub const fn filter_sort(mut self) -> Self {
        self.filter = true;
        self.sort = true;
        self
    }

    /// Identifies the object.
    pub const fn primary_key(mut self) -> Self {
        self.primary_key = true;
        self
    }

    /// Policy needs it.
    pub const fn required_by_policy(mut self) -> Self {
        self.required_by_policy = true;
        self
    }

    /// Has a rule of its own.
    pub const fn enforce_policy(mut self) -> Self {
        self.enforce_policy = true;
        self
    }

    /// Has a default.
    pub const fn default(mut self, default: Default) -> Self {
        self.default = default;
        self
    }

    /// Is converted.
    pub const fn convert(mut self, convert: Convert) -> Self {
        self.convert = convert;
        self
    }

    /// Its filter's values are pairs.
    pub const fn pairs(mut self) -> Self {
        self.pairs = true;
        self
    }

    /// Its filter takes upper and lower case for the same.
    pub const fn fold_case(mut self) -> Self {
        self.folds_case = true;
        self
    }

    /// Its filter's values are tags.
    pub const fn tags(mut self, tags: TagMatch) -> Self {
        self.tags = Some(tags);
        self
    }

    /// Is checked.
    pub const fn validate(mut self, validate: Validate) -> Self {
        self.validate = validate;
        self
    }

    /// Is another name of `other`.
    pub const fn mirror_of(mut self, other: &'static str) -> Self {
        self.mirrors = Some(other);
        self
    }
}

/// A set of a resource's attributes, by their place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mask(u64);

impl Mask {
    /// None.
    pub const EMPTY: Mask = Mask(0);

    /// Those for which `choose` says yes. A table has at most 64 attributes.
    pub fn of<R>(table: &[Attribute<R>], mut choose: impl FnMut(usize, &Attribute<R>) -> bool) -> Self {
        debug_assert!(table.len() <= 64, "a mask has 64 bits");
        let bits = table.iter().enumerate().filter(|(index, attribute)| choose(*index, attribute));
        Mask(bits.fold(0, |bits, (index, _)| bits | 1 << index))
    }

    /// Whether it has this one.
    pub fn has(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }

    /// Those in both.
    pub fn and(self, other: Mask) -> Mask {
        Mask(self.0 & other.0)
    }

    /// With this one.
    pub fn with(self, index: usize) -> Mask {
        Mask(self.0 | 1 << index)
    }
}
