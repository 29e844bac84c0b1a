//! The HTML page in headless Chromium, from `CHROMIUM` or `PATH`. Without a browser the tests say that they are skipped. The
//! page may run no script, so a frame around it reports what it shows.

use crate::report::{self, HOSTILE};
use serde_json::Value;
use standpoint::evaluation::render::html;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Put around the page: when it is there, it is replaced by what was found, as JSON.
const FRAME: &str = r##"<!doctype html><title>frame</title><style>body { margin: 0 }</style>
<iframe src="page.html" style="border: 0; width: WIDTHpx; height: 900px"></iframe>
<script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument, view = frame.contentWindow;
  const all = selector => [...page.querySelectorAll(selector)];
  const outside = all("main *, header *").filter(element =>
    !element.closest(".scroll") && !element.closest("svg") && element.getBoundingClientRect().right > view.innerWidth + 0.5);
  const found = {
    inner: view.innerWidth,
    scroll: page.scrollingElement.scrollWidth,
    outside: outside.map(element => element.tagName + "." + element.className),
    headings: all("h1, h2, h3, h4").map(heading => Number(heading.tagName[1])),
    titles: all("h2").map(heading => heading.textContent),
    plots: all("svg[role=img]").length,
    unnamed: all("svg").filter(svg => !svg.querySelector("title").textContent || !svg.querySelector("desc").textContent).length,
    small: all("svg text").filter(text => !text.closest("details") && text.getBoundingClientRect().height < 7).length,
    language: page.documentElement.lang,
    skip: page.querySelector(".skip").hash === "#" + page.querySelector("main").id,
    scripts: page.scripts.length,
    pictures: page.images.length,
    lead: page.querySelector(".lead").textContent,
    sentence: page.querySelector(".sentence").textContent,
    note: page.querySelector(".notes li").textContent,
    resources: view.performance.getEntriesByType("resource").length,
    text: page.body.innerText,
  };
  const answer = document.createElement("pre");
  answer.id = "found";
  answer.textContent = btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(found))));
  document.body.replaceChildren(answer);
};
</script>"##;

fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let found = named.or_else(|| {
        let path = std::env::var_os("PATH")?;
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let mut places = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
        places.find(|place| place.is_file())
    });
    if found.is_none() {
        eprintln!(
            "SKIPPED: no chromium on PATH and no CHROMIUM in the environment; the page was not looked at"
        );
    }
    found
}

/// Runs the browser with a profile of its own and without any network but this machine's.
fn run(chromium: &Path, address: &Path, arguments: &[String]) -> Output {
    let profile = TempDir::new().unwrap();
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--allow-file-access-from-files"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=5000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(format!("file://{}", address.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What the page's console said: errors of its policy among it.
fn console(output: &Output) -> Vec<String> {
    let log = String::from_utf8_lossy(&output.stderr);
    log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()
}

/// What a browser finds on a page in a frame of some width.
fn look(chromium: &Path, page: &str, width: u32, arguments: &[String]) -> Value {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("page.html"), page).unwrap();
    let frame = folder.path().join("frame.html");
    std::fs::write(&frame, FRAME.replace("WIDTH", &width.to_string())).unwrap();
    let arguments: Vec<String> = [&["--dump-dom".to_owned()], arguments].concat();
    let output = run(chromium, &frame, &arguments);
    assert_eq!(console(&output), [] as [&str; 0], "nothing is said on the console");
    let dom = String::from_utf8(output.stdout).unwrap();
    let found = dom.split("id=\"found\">").nth(1).and_then(|rest| rest.split('<').next());
    let found = found.unwrap_or_else(|| panic!("the page did not load: {dom}"));
    serde_json::from_slice(&from_base64(found)).unwrap()
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0u32, 0);
    for digit in text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte)) {
        (held, bits) = ((held << 6 | digit as u32) & 0xffff, bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

#[test]
fn the_page_fits_a_phone_and_a_desk() {
    let Some(chromium) = chromium() else { return };
    let page = html(&report::full());
    for width in [360, 1280] {
        let found = look(&chromium, &page, width, &[]);
        assert_eq!(found["inner"], width);
        assert!(found["scroll"].as_u64() <= found["inner"].as_u64(), "scrolls sideways: {found}");
        assert_eq!(found["outside"], serde_json::json!([]), "everything stands within {width} pixels");
        assert_eq!(found["small"], 0, "type in plots can be read");
    }
}

#[test]
fn the_page_has_its_parts_and_shows_text_as_text() {
    let Some(chromium) = chromium() else { return };
    let found = look(&chromium, &html(&report::full()), 1280, &[]);
    assert_eq!(found["titles"], serde_json::json!(["Summary", "role", "stance", "checkworthy", "spans"]));
    let levels: Vec<i64> =
        found["headings"].as_array().unwrap().iter().map(|level| level.as_i64().unwrap()).collect();
    assert_eq!((levels[0], levels.iter().filter(|level| **level == 1).count()), (1, 1));
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "no level is left out: {levels:?}");
    // Plots of role: confusion, precision-recall, reliability, abstention, two comparisons, four properties; of stance
    // and of check-worthiness: the first two.
    assert_eq!((&found["plots"], &found["unnamed"]), (&14.into(), &0.into()));
    assert_eq!((&found["language"], &found["skip"]), (&"en".into(), &true.into()));
    assert_eq!((&found["scripts"], &found["pictures"]), (&0.into(), &0.into()), "no text became markup");
    for place in ["lead", "sentence", "note"] {
        assert!(found[place].as_str().unwrap().contains(HOSTILE), "{place}: {}", found[place]);
    }
}

#[test]
fn an_empty_page_stands_too() {
    let Some(chromium) = chromium() else { return };
    let mut report = report::empty();
    // What the frame asks for has to be there.
    let full = report::full();
    (report.set.description, report.notes) = (full.set.description, full.notes);
    report.tasks[1].errors = full.tasks[0].errors[..1].to_vec();
    let found = look(&chromium, &html(&report), 360, &[]);
    assert!(found["scroll"].as_u64() <= found["inner"].as_u64());
    let text = found["text"].as_str().unwrap();
    assert!(text.contains('–') && !text.contains("NaN") && !text.contains("0.000"), "{text}");
}

#[test]
fn the_page_asks_for_nothing() {
    let Some(chromium) = chromium() else { return };
    let page = html(&report::full());
    // Whatever goes out goes to this proxy, which writes down what was asked and answers nothing.
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for stream in proxy.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            if request.starts_with("END") {
                break;
            }
            asked.push(request);
        }
        asked
    });
    let through = look(&chromium, &page, 1280, &[format!("--proxy-server=http://{address}")]);
    std::net::TcpStream::connect(address).unwrap().write_all(b"END").unwrap();
    let asked = asked.join().unwrap();
    assert!(!asked.iter().any(|request| request.contains("example.org")), "{asked:?}");
    assert_eq!(through["resources"], 0);

    let refused = look(&chromium, &page, 1280, &["--host-resolver-rules=MAP * ~NOTFOUND".to_owned()]);
    assert_eq!(refused, through, "a page without a network is the same page");
}

#[test]
fn the_page_is_painted_light_and_dark() {
    let Some(chromium) = chromium() else { return };
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("page.html");
    std::fs::write(&page, html(&report::full())).unwrap();
    let shot = |size: &str, scheme: u8| {
        let picture = folder.path().join(format!("{size}-{scheme}.png"));
        let output = run(
            &chromium,
            &page,
            &[
                format!("--screenshot={}", picture.display()),
                format!("--window-size={size}"),
                format!("--blink-settings=preferredColorScheme={scheme}"),
            ],
        );
        assert_eq!(console(&output), [] as [&str; 0]);
        std::fs::read(picture).unwrap()
    };
    for size in ["360,800", "1280,900"] {
        let (dark, light) = (shot(size, 0), shot(size, 1));
        assert!(light.starts_with(b"\x89PNG") && light.len() > 10_000, "something is painted");
        assert!(dark.len() > 10_000 && dark != light, "dark is not light");
    }
}
