//! Generates the protobuf and gRPC code. Needs `protoc`.

fn main() {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-env-changed=PROTOC");
    let protoc = std::env::var_os("PROTOC").unwrap_or_else(|| "protoc".into());
    if std::process::Command::new(&protoc).arg("--version").output().is_err() {
        println!(
            "cargo::error=the protobuf compiler `{}` was not found; run `cargo xtask setup`, or install it \
             (Debian: apt-get install protobuf-compiler) or point PROTOC at it",
            protoc.to_string_lossy()
        );
        return;
    }
    let generated = tonic_prost_build::configure()
        .bytes(".")
        .compile_protos(&["proto/node.proto", "proto/rows.proto"], &["proto"]);
    if let Err(error) = generated {
        println!("cargo::error=proto/*.proto could not be compiled: {error}");
    }
}
