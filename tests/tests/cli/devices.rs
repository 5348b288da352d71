//! `devices`: what is there and what is missing, with or without a GPU.

use serde_json::Value;

use crate::sandbox;

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_is_missing_is_named_and_the_rest_described() {
    let sandbox = sandbox();
    let run = sandbox.run(&["devices", "--json"]).ok();
    let found = object(run.text());
    assert!(found["cpu"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{found}");
    let missing: Vec<&str> = found["missing"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let gpus = found["gpus"].as_array().unwrap();
    if found["driver"].is_null() {
        assert!(gpus.is_empty() && missing[0].contains("libcuda"), "{found}");
    }
    assert_eq!(found["nvrtc"].is_null(), missing.iter().any(|line| line.contains("NVRTC")), "{found}");
    let usable = missing.is_empty() && gpus[0]["usable"] == true;
    assert_eq!(found["auto"], if usable { "cuda" } else { "cpu" }, "{found}");

    let run = sandbox.run(&["devices"]).ok();
    let text = run.text();
    assert!(text.contains("CPU: ") && text.contains("NVIDIA driver: ") && text.contains("NVRTC"), "{text}");
    assert!(missing.iter().all(|line| text.contains(line)), "{text}");
    assert_eq!(text.matches("multiprocessors").count(), gpus.len(), "{text}");
}

#[test]
fn a_compiler_that_is_not_where_it_was_said_to_be_is_named() {
    let sandbox = sandbox();
    let output = sandbox
        .command(&["devices", "--json"])
        .env("EQUALINFO_NVRTC", "no/such/libnvrtc.so")
        .env("EQUALINFO_KERNEL_CACHE", "kernels")
        .output()
        .unwrap();
    let found = object(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!(found["auto"], "cpu");
    assert_eq!(found["kernel_cache"], "kernels");
    let missing = found["missing"].to_string();
    assert!(missing.contains("no/such/libnvrtc.so") && missing.contains("EQUALINFO_NVRTC"), "{missing}");
    assert!(!sandbox.has("kernels"));
}
