//! What the machine is, in words and bytes, for the inventory.

use std::num::NonZeroUsize;

use model_runtime::device::{ComputeDevice, Executor};
use protocol::inventory::DEVICE_BYTES_MAX;

/// The device that models run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Such as `cpu: AMD EPYC 7B13, 2 threads`.
    pub name: String,
    /// Memory that models have there; zero where the system does not tell.
    pub memory_bytes: u64,
}

impl Device {
    /// Asks the operating system about its processor.
    pub fn detect() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::describe(&read("/proc/cpuinfo"), &read("/proc/meminfo"), threads)
    }

    /// The same machine, whose models lie in the memory of a card where it has one.
    #[must_use]
    pub fn with_card(self, card_memory_bytes: Option<u64>) -> Self {
        Self { memory_bytes: card_memory_bytes.unwrap_or(self.memory_bytes), ..self }
    }

    /// The same machine with its models on the device that the runtime found, where that is a card.
    #[must_use]
    pub fn computing_on(self, found: &ComputeDevice) -> Self {
        if found.executor() == Executor::Kernels {
            return self;
        }
        Self { name: bounded(format!("{}, {}", found.name(), self.name)), ..self }
    }

    fn describe(cpuinfo: &str, meminfo: &str, threads: usize) -> Self {
        let model = value(cpuinfo, "model name").unwrap_or(std::env::consts::ARCH);
        let name = bounded(format!("cpu: {model}, {threads} threads"));
        let kibibytes =
            value(meminfo, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        Self { name, memory_bytes: kibibytes.unwrap_or(0).saturating_mul(1024) }
    }
}

/// What the inventory takes of a name.
fn bounded(mut name: String) -> String {
    let end =
        (0..=DEVICE_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    name.truncate(end);
    name
}

fn value<'a>(file: &'a str, key: &str) -> Option<&'a str> {
    file.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use model_runtime::DeviceChoice;

    use super::*;

    #[test]
    fn the_inventory_names_what_computes_first() {
        let machine = Device::describe("model name: Fast CPU", "", 2);
        assert_eq!(machine.clone().computing_on(&ComputeDevice::cpu()), machine);
        let other = DeviceChoice::Flex.find().unwrap();
        let name = machine.clone().computing_on(&other).name;
        assert_eq!(name, format!("{}, cpu: Fast CPU, 2 threads", other.name()));
    }

    #[test]
    fn models_have_the_memory_of_the_card_where_there_is_one() {
        let machine = Device { name: "cpu".to_owned(), memory_bytes: 16 << 30 };
        assert_eq!(machine.clone().with_card(None), machine);
        assert_eq!(machine.with_card(Some(80 << 30)).memory_bytes, 80 << 30);
    }

    #[test]
    fn a_linux_machine_is_described_within_the_inventorys_limit() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast CPU\n";
        let device = Device::describe(cpuinfo, "MemTotal:       2048 kB\n", 2);
        assert_eq!(device, Device { name: "cpu: Fast CPU, 2 threads".to_owned(), memory_bytes: 2 << 20 });
        let long = Device::describe(&format!("model name: {}", "ä".repeat(200)), "", 2);
        assert!(long.name.len() <= DEVICE_BYTES_MAX);
        assert_eq!(long.memory_bytes, 0);
    }
}
