//! The random graphs that other programs compute again are of all operations.

use std::process::Command;

#[test]
fn random_graphs_have_all_operations_and_numbers_only() {
    let program = env!("CARGO_BIN_EXE_random_graphs");
    let output = Command::new(program).args(["1500", "5"]).output().unwrap();
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 1500);
    for line in lines.lines() {
        let graph: serde_json::Value = serde_json::from_str(line).unwrap();
        for (number, node) in graph["nodes"].as_array().unwrap().iter().enumerate() {
            let finite = |array: &serde_json::Value| array.as_array().unwrap().iter().all(|x| x.is_f64());
            assert!(
                finite(&node["value"]) && (node["adjoint"].is_null() || finite(&node["adjoint"])),
                "{node}"
            );
            let inputs = node["inputs"].as_array().unwrap();
            assert!(inputs.iter().all(|input| input.as_u64().unwrap() < number as u64), "{node}");
        }
    }
}
