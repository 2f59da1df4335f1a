//! A machine with an instance on it: two network namespaces, joined by the instance's interface.

use hadron_node::links::Netlink;
use hadron_node::links::monitor::{self, Monitor};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::{Handle, LinkUnspec, LinkVeth};
use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Moves the calling thread into fresh network and mount namespaces. Mounts are private, `/mnt` is empty.
pub fn isolate() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private mounts");
    mount(Some("tmpfs"), "/mnt", Some("tmpfs"), MsFlags::empty(), none).expect("tmpfs");
}

/// The host's side, for what is not the node's to do.
pub struct Host {
    pub handle: Handle,
    pub netlink: Netlink,
}

impl Host {
    pub async fn new() -> Self {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        let Monitor { netlink, mut news } = monitor::start().unwrap();
        tokio::spawn(async move { while news.recv().await.is_some() {} });
        let host = Self { handle, netlink };
        let loopback = host.index("lo").await.unwrap();
        host.set(LinkUnspec::new_with_index(loopback).up()).await;
        host
    }

    pub async fn set(&self, message: rtnetlink::LinkMessageBuilder<LinkUnspec>) {
        self.handle.link().set(message.build()).execute().await.unwrap();
    }

    pub async fn index(&self, name: &str) -> Option<u32> {
        let links = self.netlink.dump().await.unwrap();
        links.into_iter().find(|link| link.name == name).map(|link| link.index)
    }

    pub async fn delete(&self, name: &str) {
        let index = self.index(name).await.unwrap();
        self.handle.link().del(index).execute().await.unwrap();
    }

    /// Plugs an instance: a veth pair, one end here, the other with the given MAC in the instance's namespace, up.
    pub async fn plug(&self, name: &str, mac: [u8; 6], instance: &mut Instance) -> u32 {
        let pair = LinkVeth::new(name, "guest").build();
        self.handle.link().add(pair).execute().await.unwrap();
        let guest = self.index("guest").await.unwrap();
        let moved = LinkUnspec::new_with_index(guest)
            .address(mac.to_vec())
            .setns_by_fd(instance.namespace.as_raw_fd());
        self.set(moved).await;
        instance.ask(Question::Up).await;
        self.index(name).await.unwrap()
    }
}

enum Question {
    Up,
    Act(Box<dyn FnOnce() -> Vec<u8> + Send>),
    Discover([u8; 6]),
}

/// An instance: a thread in a network namespace of its own. It ends when dropped.
pub struct Instance {
    namespace: File,
    questions: Option<mpsc::UnboundedSender<Question>>,
    answers: mpsc::UnboundedReceiver<Option<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Instance {
    pub fn new() -> Self {
        let (questions, mut asked) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            tell.send(File::open("/proc/thread-self/ns/net").unwrap()).unwrap();
            while let Some(question) = asked.blocking_recv() {
                answer.send(live(question)).unwrap();
            }
        });
        Self { namespace: told.recv().unwrap(), questions: Some(questions), answers, thread: Some(thread) }
    }

    /// Broadcasts DISCOVER from 0.0.0.0, as a client without an address does, and answers the address that it is offered. Some
    /// attempts are needed: a link that has just come up drops what is sent until the kernel has put its queue in place.
    pub async fn discover(&mut self, mac: [u8; 6]) -> Option<[u8; 4]> {
        let message = self.ask(Question::Discover(mac)).await?;
        message[16..20].try_into().ok()
    }

    /// Does something in the instance's namespace.
    pub async fn act(&mut self, act: impl FnOnce() -> Vec<u8> + Send + 'static) -> Vec<u8> {
        self.ask(Question::Act(Box::new(act))).await.unwrap()
    }

    async fn ask(&mut self, question: Question) -> Option<Vec<u8>> {
        self.questions.as_ref().unwrap().send(question).ok().unwrap();
        self.answers.recv().await.unwrap()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.questions.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn live(question: Question) -> Option<Vec<u8>> {
    match question {
        Question::Up => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (connection, handle, _) = rtnetlink::new_connection().unwrap();
                tokio::spawn(connection);
                handle.link().set(LinkUnspec::new_with_name("guest").up().build()).execute().await.unwrap();
            });
            None
        }
        Question::Act(act) => Some(act()),
        Question::Discover(mac) => discover(mac),
    }
}

fn discover(mac: [u8; 6]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("0.0.0.0:68").unwrap();
    setsockopt(&socket, sockopt::BindToDevice, &"guest".into()).unwrap();
    socket.set_broadcast(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut message = vec![1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0x80, 0];
    message.resize(28, 0);
    message.extend(mac);
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 1, 255]);
    message.resize(300, 0);
    (0..8).find_map(|_| {
        socket.send_to(&message, "255.255.255.255:67").unwrap();
        let mut reply = vec![0; 1500];
        let length = socket.recv(&mut reply).ok()?;
        reply.truncate(length);
        Some(reply)
    })
}
