//! Lets LLVM expand small fills and copies in place. The linker's default keeps them in order by leaving calls to `memset`, which
//! go byte by byte.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg=--disable-expand-memcpy-in-order");
}
