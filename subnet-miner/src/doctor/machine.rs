//! Processor, accelerator, disk.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::Check;
use crate::config::Config;
use crate::device::Device;

const GIB: u64 = 1 << 30;
/// Time for a program that only tells something.
const TELL_MS_MAX: u64 = 5_000;

pub(super) fn processor() -> Check {
    let Device { name, memory_bytes } = Device::detect();
    let found = format!("{name}, {} GiB of memory", memory_bytes / GIB);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let slow = std::env::consts::ARCH == "x86_64" && !has_flag(&cpuinfo, "avx2");
    if slow {
        let fix = "use a processor with AVX2 (any of the last ten years), or an accelerator";
        return Check::warning(
            "processor",
            format!("{found}, without AVX2: models run several times slower"),
            fix,
        );
    }
    if memory_bytes < 2 * GIB {
        return Check::warning(
            "processor",
            found,
            "only the smallest models fit: give the machine more memory",
        );
    }
    Check::ok("processor", found)
}

fn has_flag(cpuinfo: &str, flag: &str) -> bool {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|word| word == flag))
}

pub(super) fn accelerator() -> Check {
    accelerator_of(
        std::fs::read_to_string("/proc/driver/nvidia/version").ok().as_deref(),
        Path::new("/dev/nvidiactl").exists(),
        Path::new("/sys/bus/pci/drivers/nouveau").exists(),
    )
}

/// Where models will be computed.
pub(super) fn models_device(config: &Config) -> Check {
    match config.runtime.device.find() {
        Ok(found) => Check::ok("models' device", found.name()),
        Err(error) => {
            Check::failed("models' device", format!("{:?}", config.runtime.device), error.to_string())
        }
    }
}

fn accelerator_of(driver: Option<&str>, device: bool, nouveau: bool) -> Check {
    let version = driver
        .and_then(|text| text.lines().next())
        .map(|line| line.trim_start_matches("NVRM version:").trim());
    match version {
        Some(version) if device => Check::ok("accelerator", format!("NVIDIA driver: {version}")),
        Some(version) => Check::failed(
            "accelerator",
            format!("NVIDIA driver {version} is loaded, and /dev/nvidiactl is missing"),
            "pass the device into the container (--gpus all), or run nvidia-modprobe",
        ),
        None if nouveau => Check::warning(
            "accelerator",
            "an NVIDIA card runs on the nouveau driver, which cannot compute",
            "install NVIDIA's own driver, then restart",
        ),
        None => Check::ok("accelerator", "none with a driver: models run on the processor"),
    }
}

pub(super) async fn disk(config: &Config) -> Check {
    let weights = &config.weights.path;
    let folder = existing(if weights.as_os_str().is_empty() { &config.state_path } else { weights });
    let free = match free_bytes(folder).await {
        Some(free) => free,
        None => {
            let found = format!("`df {}` does not tell what is free", folder.display());
            return Check::warning("disk", found, "look yourself: weights and receipts need room");
        }
    };
    let found = format!(
        "{} GiB free at {}, {} GiB allowed for weights",
        free / GIB,
        folder.display(),
        config.weights.disk_bytes_max / GIB
    );
    if free < GIB {
        Check::failed(
            "disk",
            found,
            "free some: without room no receipt can be stored, and nothing unstored is answered",
        )
    } else if free < config.weights.disk_bytes_max / 4 {
        Check::warning("disk", found, "free some, or lower weights.disk_bytes_max to what is there")
    } else {
        Check::ok("disk", found)
    }
}

/// The nearest folder above that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

async fn free_bytes(folder: &Path) -> Option<u64> {
    let mut df = Command::new("df");
    let df = df.args(["-Pk"]).arg(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_millis(TELL_MS_MAX), df.output()).await.ok()?.ok()?;
    parse_df(&String::from_utf8_lossy(&output.stdout))
}

fn parse_df(text: &str) -> Option<u64> {
    let kibibytes: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kibibytes.saturating_mul(1_024))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_df_and_cpuinfo_say_is_understood() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 100 40 60 40% /\n";
        assert_eq!(parse_df(df), Some(60 << 10));
        assert_eq!(parse_df("Filesystem\n"), None);
        assert!(has_flag("flags\t\t: fpu avx avx2 sse", "avx2"));
        assert!(!has_flag("flags\t\t: fpu avx avx512f", "avx2"));
    }

    #[test]
    fn a_driver_without_its_device_is_a_failure_and_no_driver_is_none() {
        let version = "NVRM version: NVIDIA UNIX Open Kernel Module  580.1\nGCC version: 13\n";
        assert_eq!(accelerator_of(Some(version), true, false).verdict, Verdict::Ok);
        assert_eq!(accelerator_of(Some(version), false, false).verdict, Verdict::Failed);
        assert_eq!(accelerator_of(None, false, true).verdict, Verdict::Warning);
        assert_eq!(accelerator_of(None, false, false).verdict, Verdict::Ok);
    }
}
