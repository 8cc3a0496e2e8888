//! Pages in headless Chromium, which is `$CHROMIUM`, or `chromium`.

use std::path::Path;
use std::process::Command;

fn chromium() -> Command {
    Command::new(std::env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into()))
}

/// Whether there is a browser; otherwise says that this is skipped.
pub(crate) fn is_there() -> bool {
    let is_there = chromium().arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!(
            "skipped: reports are not tried in a browser, since chromium is not there; name one by $CHROMIUM"
        );
    }
    is_there
}

/// Opens a page, with `fragment` behind its address, and returns it as its scripts leave it, and what was said in the console.
pub(crate) fn opened(page: &Path, fragment: &str, flags: &[String], profile: &Path) -> (String, Vec<String>) {
    let output = chromium()
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"])
        .args(flags)
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}{fragment}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (dom, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    (dom, log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect())
}

/// What stands in the output element of this name, such as `verdict`, what a page says of itself.
pub(crate) fn said(dom: &str, id: &str) -> String {
    let said =
        dom.split_once(&format!("<output id=\"{id}\">")).and_then(|(_, rest)| rest.split_once("</output>"));
    said.map_or_else(|| format!("none in {dom}"), |(said, _)| said.to_owned())
}

/// The page after it tested itself, and what was said in the console.
pub(crate) fn tested(page: &Path, profile: &Path) -> (String, Vec<String>) {
    opened(page, "#test", &["--dump-dom".to_owned()], profile)
}
