//! A service and a browser of each test's own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use audit::testing::eventually;
use items_api::auth::Role;
use items_api::config::Options;
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::harness::TestService;

/// Runs in every page before anything else does, and keeps what must not happen.
const WATCH: &str = r#"
    window.watched = [];
    addEventListener("securitypolicyviolation", (event) =>
        watched.push(`against the policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    addEventListener("error", (event) => watched.push(`error: ${event.message}`));
    addEventListener("unhandledrejection", (event) => watched.push(`rejection: ${event.reason}`));
"#;

/// What `cargo xtask test` says in the environment.
fn setting(name: &str) -> PathBuf {
    std::env::var_os(name).map(PathBuf::from).unwrap_or_else(|| {
        panic!("{name} is not set: run `cargo xtask test`, which installs Chromium and what else these tests need")
    })
}

/// The viewer of a service, in a browser.
pub(crate) struct Viewer {
    // Declared in the order in which they end.
    pub(crate) driver: WebDriver,
    _chromedriver: Chromedriver,
    pub(crate) service: TestService,
}

impl Viewer {
    /// A browser in which nobody is signed in, on a screen of 1440 by 900.
    pub(crate) async fn open() -> Self {
        Self::open_with(Options::default()).await
    }

    /// The same on a service with options of the test's own.
    pub(crate) async fn open_with(options: Options) -> Self {
        let service = TestService::start_with(options).await;
        let chromedriver = Chromedriver::start();
        let mut wanted = DesiredCapabilities::chrome();
        wanted
            .set_binary(setting("TEST_CHROMIUM").to_str().unwrap())
            .unwrap();
        for argument in [
            "--headless=new",
            "--window-size=1440,900",
            "--force-color-profile=srgb",
            "--hide-scrollbars",
            // Chromium's own sandbox does not start as root, as which tests often run in
            // containers. All that is loaded here is our own.
            "--no-sandbox",
            "--disable-dev-shm-usage",
        ] {
            wanted.add_arg(argument).unwrap();
        }
        let driver = WebDriver::new(&chromedriver.url, wanted).await.unwrap();
        let viewer = Self {
            driver,
            _chromedriver: chromedriver,
            service,
        };
        viewer.size(1440, 900).await;
        let watch = json!({ "source": WATCH });
        viewer
            .devtools("Page.addScriptToEvaluateOnNewDocument", watch)
            .await;
        viewer
    }

    /// A browser in which Otto, an auditor, is signed in.
    pub(crate) async fn signed_in() -> Self {
        let viewer = Self::open().await;
        viewer.sign_in_unseen("otto", Role::Auditor).await;
        viewer
    }

    /// Puts a token into the cookie, past the form.
    pub(crate) async fn sign_in_unseen(&self, subject: &str, role: Role) {
        let cookie = json!({
            "name": "audit_session",
            "value": self.service.token(subject, role),
            "url": format!("http://{}/audit", self.service.address()),
            "path": "/audit",
            "httpOnly": true,
            "sameSite": "Strict",
        });
        self.devtools("Network.setCookie", cookie).await;
    }

    /// The size of the page, in CSS pixels.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// Light or dark, as the system would want it.
    pub(crate) async fn scheme(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    pub(crate) async fn devtools(&self, command: &str, parameters: Value) {
        let cdp = self.driver.cdp();
        cdp.send_raw(command, parameters).await.unwrap();
    }

    /// Goes to the page, with this query.
    pub(crate) async fn go(&self, query: &str) {
        let url = format!("http://{}/audit/ui{query}", self.service.address());
        self.driver.goto(url).await.unwrap();
    }

    /// Goes there, and waits until records are in the list.
    pub(crate) async fn go_and_wait(&self, query: &str) {
        self.go(query).await;
        self.until("there are records", "return document.querySelectorAll('tr.row').length > 0 && document.querySelector('#list').ariaBusy === 'false'")
            .await;
    }

    /// What a script in the page returns.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        let answer = self.driver.execute(script, Vec::new()).await.unwrap();
        answer.json().clone()
    }

    /// Waits until a script returns what counts as true. It is asked again and again
    /// within the page, which takes less of the machine than asking from here.
    pub(crate) async fn until(&self, what: &str, script: &str) -> Value {
        let patient = format!(
            "const done = arguments[arguments.length - 1];
             const until = Date.now() + 2000;
             (function look() {{
                 const found = (() => {{ {script} }})();
                 if (found || Date.now() > until) done(found || null);
                 else setTimeout(look, 20);
             }})();"
        );
        eventually(what, async || {
            // A page that is left in the meantime has no answer.
            let answer = self.driver.execute_async(&patient, Vec::new()).await.ok()?;
            let answer = answer.json().clone();
            (!answer.is_null()).then_some(answer)
        })
        .await
    }

    /// Waits for an element that can be seen.
    pub(crate) async fn find(&self, selector: &str) -> WebElement {
        let script = format!(
            "return document.querySelector({})?.checkVisibility()",
            json!(selector)
        );
        self.until(&format!("{selector} can be seen"), &script)
            .await;
        self.driver.find(By::Css(selector)).await.unwrap()
    }

    /// Waits for an element and presses it.
    pub(crate) async fn click(&self, selector: &str) {
        self.find(selector).await;
        // It may be exchanged for another one between the two.
        eventually(&format!("{selector} can be pressed"), async || {
            let element = self.driver.find(By::Css(selector)).await.ok()?;
            element.click().await.ok()
        })
        .await;
    }

    /// Presses the button with this text.
    pub(crate) async fn click_text(&self, text: &str) {
        let xpath = format!(
            "//*[self::button or self::a or self::summary][contains(normalize-space(.), '{text}')]"
        );
        eventually(&format!("{text:?} can be pressed"), async || {
            for element in self.driver.find_all(By::XPath(&xpath)).await.ok()? {
                if element.is_displayed().await.ok()? {
                    return element.click().await.ok();
                }
            }
            None
        })
        .await;
    }

    /// Types where the focus is.
    pub(crate) async fn press(&self, keys: impl Into<TypingData>) {
        let focus = self.driver.active_element().await.unwrap();
        focus.send_keys(keys).await.unwrap();
    }

    /// The text of an element that can be seen.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.unwrap()
    }

    /// Waits until an element's text holds this one.
    pub(crate) async fn shows(&self, selector: &str, text: &str) {
        let script = format!(
            "return [...document.querySelectorAll({selector})].some((element) => element.checkVisibility() && element.innerText.includes({text}))",
            selector = json!(selector),
            text = json!(text),
        );
        self.until(&format!("{selector} shows {text:?}"), &script)
            .await;
    }

    /// What stands in one column of the list.
    pub(crate) async fn column(&self, kind: &str) -> Vec<String> {
        let script = format!(
            "return [...document.querySelectorAll('tr.row td.{kind}')].map((cell) => cell.innerText.trim())"
        );
        serde_json::from_value(self.ask(&script).await).unwrap()
    }

    /// Waits until a column of the list has exactly these values.
    pub(crate) async fn column_becomes(&self, kind: &str, expected: &[&str]) {
        let script = format!(
            "const cells = [...document.querySelectorAll('tr.row td.{kind}')].map((cell) => cell.innerText.trim());
             return document.querySelector('#list').ariaBusy === 'false' && JSON.stringify(cells) === {}",
            json!(json!(expected).to_string()),
        );
        self.until(&format!("{kind} is {expected:?}"), &script)
            .await;
    }

    /// The query of the address that the browser shows.
    pub(crate) async fn query(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        url.query().unwrap_or_default().to_owned()
    }

    /// Nothing was against the policy, and no script failed.
    pub(crate) async fn is_clean(&self) {
        assert_eq!(self.ask("return window.watched").await, json!([]));
    }

    /// Ends the browser, once it is sure that all was clean.
    pub(crate) async fn close(self) {
        self.is_clean().await;
        self.driver.clone().quit().await.unwrap();
    }
}

/// The program that drives a browser; it ends with the test.
struct Chromedriver {
    url: String,
    process: Child,
}

impl Chromedriver {
    fn start() -> Self {
        let mut process = Command::new(setting("TEST_CHROMEDRIVER"))
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("successfully on port ")?;
                port.trim_end_matches('.').parse::<u16>().ok()
            })
            .unwrap_or_else(|| panic!("chromedriver does not say where it listens"));
        Self {
            url: format!("http://127.0.0.1:{port}"),
            process,
        }
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The script of axe-core.
pub(crate) fn axe() -> String {
    std::fs::read_to_string(setting("TEST_AXE")).unwrap()
}
