//! Which of the two builds of the sources is this? The one for the model checker.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(shuttled)");
    println!("cargo::rustc-cfg=shuttled");
    println!("cargo::rerun-if-changed=build.rs");
    // They are outside the package, where cargo would look for them in the last checkout only.
    println!("cargo::rerun-if-changed=../../ministate/src");
}
