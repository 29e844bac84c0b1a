//! The machine that the program runs on, as reports name it: figures of speed mean nothing without it.

/// The processor, its number of threads, and the system, in one line.
pub fn description() -> String {
    let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    let threads = threads();
    let processor = processor().unwrap_or_else(|| "unknown processor".to_owned());
    format!(
        "{processor}, {threads} {}, {system} {architecture}",
        if threads == 1 { "thread" } else { "threads" }
    )
}

/// How many threads can run at once; 1 if that is not known.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// The most memory that this process has held so far, in bytes. `None` on other systems than Linux.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes: u64 = field(&status, "VmHWM:")?.strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The processor's name. `None` on other systems than Linux, and on some architectures.
fn processor() -> Option<String> {
    let processors = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let name = field(&processors, "model name")?;
    Some(name.trim_start_matches(':').trim().to_owned())
}

/// The rest of the first line that begins with `name`, without white space around it.
fn field<'a>(lines: &'a str, name: &str) -> Option<&'a str> {
    lines.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(field("Name:\tx\nVmHWM:\t  120 kB\n", "VmHWM:"), Some("120 kB"));
        assert_eq!(field("Name:\tx\n", "VmHWM:"), None);
    }

    #[test]
    fn the_machine_has_a_name_and_on_linux_a_peak() {
        assert!(description().contains(std::env::consts::ARCH));
        assert!(threads() > 0);
        assert_eq!(peak_memory().is_some_and(|bytes| bytes > 1 << 20), cfg!(target_os = "linux"));
    }
}
