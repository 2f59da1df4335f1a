//! What the verifier says about the programs, against the budget that leaves room for the stages to come.

mod support;

use aya::maps::{Map, MapData};
use aya_obj::generated::{BPF_CALL, BPF_JMP, BPF_PSEUDO_CALL, bpf_attr, bpf_cmd, bpf_insn, bpf_prog_type};
use aya_obj::{Features, Function, Object};
use hadron_datapath::OBJECT;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// A third of the verifier's limit.
const INSTRUCTIONS: u64 = 300_000;
/// Of the 512 bytes that the deepest chain of calls may use.
const STACK: u64 = 400;

fn main() -> std::process::ExitCode {
    support::run(&[("programs_stay_within_budget", programs_stay_within_budget)])
}

fn programs_stay_within_budget() {
    for (name, instructions, stack) in verify_all() {
        println!("{name}: {instructions} instructions verified, {stack} bytes of stack");
        assert!(instructions < INSTRUCTIONS, "{name}: {instructions} instructions");
        assert!(stack < STACK, "{name}: {stack} bytes of stack");
    }
}

fn number_after(log: &str, mark: &str) -> Option<u64> {
    let rest = &log[log.find(mark)? + mark.len()..];
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Bytes of stack along the deepest chain of calls. The verifier lists the depth of each function, in their order.
fn deepest_stack(log: &str, instructions: &[bpf_insn], starts: &[usize]) -> Option<u64> {
    let line = log.lines().find_map(|line| line.strip_prefix("stack depth "))?;
    let depths: Option<Vec<u64>> = line.split('+').map(|depth| number_after(depth, "")).collect();
    let depths = depths.filter(|depths| depths.len() == starts.len())?;
    Some(chain_from(0, instructions, starts, &depths))
}

fn chain_from(function: usize, instructions: &[bpf_insn], starts: &[usize], depths: &[u64]) -> u64 {
    let end = starts.get(function + 1).copied().unwrap_or(instructions.len());
    let callees = (starts[function]..end).filter_map(|at| {
        let instruction = &instructions[at];
        let is_call = u32::from(instruction.code) == BPF_JMP | BPF_CALL
            && u32::from(instruction.src_reg()) == BPF_PSEUDO_CALL;
        let target = (at + 1).wrapping_add_signed(instruction.imm as isize);
        if is_call { starts.iter().position(|start| *start == target) } else { None }
    });
    let deepest = callees.map(|callee| chain_from(callee, instructions, starts, depths)).max();
    // The JIT aligns each frame to 16 bytes.
    depths[function].max(1).next_multiple_of(16) + deepest.unwrap_or(0)
}

/// Loads every program with the log of statistics, which aya asks for only when a program was refused. Returns name,
/// verified instructions, and bytes of stack.
fn verify_all() -> Vec<(String, u64, u64)> {
    let loaded = aya::Ebpf::load(OBJECT).expect("the object");
    let features: &Features = aya::features();
    let mut object = Object::parse(OBJECT).expect("ELF");
    let types = object.fixup_and_sanitize_btf(features.btf().expect("BTF")).expect("BTF").expect("BTF");
    let types = load_types(&types.to_bytes());
    let sections = object.functions.keys().map(|(section, _)| *section).collect();
    let maps: Vec<_> = object.maps.drain().collect();
    let descriptor = |name: &str| data(loaded.map(name).expect("map")).fd().as_fd().as_raw_fd();
    object
        .relocate_maps(maps.iter().map(|(name, map)| (name.as_str(), descriptor(name), map)), &sections)
        .expect("maps");
    object.relocate_calls(&sections).expect("calls");
    object.sanitize_functions(features);
    let mut programs: Vec<_> = object.programs.iter().collect();
    programs.sort_by_key(|(name, _)| name.as_str());
    let verify = |(name, program): (&String, &aya_obj::Program)| {
        let function = &object.functions[&program.function_key()];
        let log = verify(function, &types);
        let starts: Vec<_> = function.func_info.func_info.iter().map(|info| info.insn_off as usize).collect();
        let instructions = number_after(&log, "processed ").expect("the count of instructions");
        let stack = deepest_stack(&log, &function.instructions, &starts).expect("the stack's depth");
        (name.clone(), instructions, stack)
    };
    programs.into_iter().map(verify).collect()
}

fn data(map: &Map) -> &MapData {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LpmTrie(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data)
        | Map::RingBuf(data) => data,
        other => panic!("a map of another kind: {other:?}"),
    }
}

#[allow(unsafe_code)]
fn load_types(bytes: &[u8]) -> OwnedFd {
    // SAFETY: zero is a valid value of every field of this union of integers.
    let mut attributes: bpf_attr = unsafe { std::mem::zeroed() };
    attributes.__bindgen_anon_7.btf = bytes.as_ptr() as u64;
    attributes.__bindgen_anon_7.btf_size = bytes.len() as u32;
    bpf(bpf_cmd::BPF_BTF_LOAD, &mut attributes).expect("BTF")
}

#[allow(unsafe_code)]
fn verify(function: &Function, types: &OwnedFd) -> String {
    let mut log = vec![0u8; 1 << 20];
    let functions = function.func_info.func_info_bytes();
    // SAFETY: zero is a valid value of every field of this union of integers.
    let mut attributes: bpf_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the union was zeroed, so that any member may be borrowed.
    let load = unsafe { &mut attributes.__bindgen_anon_3 };
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS as u32;
    load.insns = function.instructions.as_ptr() as u64;
    load.insn_cnt = function.instructions.len() as u32;
    load.license = c"GPL".as_ptr() as u64;
    load.log_level = std::env::var("HADRON_VERIFIER_LOG").map_or(4, |level| level.parse().expect("a level"));
    load.log_buf = log.as_mut_ptr() as u64;
    load.log_size = log.len() as u32;
    load.prog_btf_fd = types.as_raw_fd() as u32;
    load.func_info = functions.as_ptr() as u64;
    load.func_info_cnt = function.func_info.len() as u32;
    load.func_info_rec_size = function.func_info_rec_size as u32;
    let loaded = bpf(bpf_cmd::BPF_PROG_LOAD, &mut attributes);
    let log = String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned();
    loaded.unwrap_or_else(|error| panic!("{error}; the verifier says:\n{log}"));
    log
}

#[allow(unsafe_code)]
fn bpf(command: bpf_cmd, attributes: &mut bpf_attr) -> std::io::Result<OwnedFd> {
    let attributes: *mut bpf_attr = attributes;
    // SAFETY: the callers' pointers are to live buffers of the lengths that go with them.
    let number =
        unsafe { libc::syscall(libc::SYS_bpf, command as libc::c_long, attributes, size_of::<bpf_attr>()) };
    if number < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number as i32) })
}
