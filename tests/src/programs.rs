//! The example programs, for tests that run them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_path_buf()
}

/// The program of an example, built with the profile of the test that calls this.
///
/// # Panics
/// If the examples do not build.
pub fn program(name: &str) -> PathBuf {
    // All at once and for the whole workspace, as `cargo test --workspace` did: then nothing is left to do.
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args(["build", "--quiet", "--workspace", "--examples"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let built = cargo.status().expect("cargo can be started").success();
        assert!(built, "the examples do not build");
    });
    let here = std::env::current_exe().expect("the path of this program");
    let profile = here.parent().and_then(Path::parent).expect("target/PROFILE/deps/PROGRAM");
    profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION)
}
