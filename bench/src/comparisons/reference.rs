//! An audited service against one in Python that does the same work.

use bench::app::Variant;

use super::services::take_turns;
use crate::contender::Contender;
use crate::report::{Report, Table, Target};
use crate::{Bench, Result, say, turn};

const CONNECTIONS: usize = 32;
const CONTENDERS: [Contender; 2] = [Contender::Reference, Contender::Own(Variant::Crash)];

pub(crate) fn compare(bench: &Bench, report: &mut Report) -> Result {
    if !bench.python.join("python").exists() {
        say("without the service in Python: `cargo xtask bench` installs what it needs");
        return Ok(());
    }
    for (path, least) in [("/items/", 8.0), ("/echo", 30.0)] {
        let title = format!("POST {path} and a service in Python, {CONNECTIONS} connections");
        say(&title);
        let sides = take_turns(bench, &CONTENDERS, path, CONNECTIONS)?;
        let about = format!(
            "The reference is FastAPI on uvicorn with 2 workers, SQLAlchemy with asyncpg, and a background task that \
             writes the record: [bench/reference/main.py](../bench/reference/main.py). {}",
            turn::ABOUT
        );
        let mut table = Table::new(&title, about, turn::FIGURES, sides);
        let crash = Variant::Crash.name();
        let what = format!("`POST {path}` at `{crash}`: throughput of the reference in Python");
        table.promise_ratio(crash, 0, &what, Target::AtLeast(least));
        report.tables.push(table);
    }
    Ok(())
}
