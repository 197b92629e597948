//! A year of kills: whatever can happen, at random and again and again.

use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Length, light_load_on};
use crate::Result;
use crate::cluster::{Cluster, Snapshot};
use crate::load::{Clients, Load};
use crate::oracle;
use crate::proxy::Mode;
use crate::report::Report;
use crate::service::Service;
use crate::world::Stage;

const PATIENCE: Duration = Duration::from_secs(60);
/// Few clients and small data: copies stay cheap.
const FEW: usize = 2;
const PAUSE: Duration = Duration::from_millis(40);
/// The oracle is asked after so many orders.
const BETWEEN: u32 = 50;
/// A snapshot is older than this many orders never: what is outside the window of kept
/// segments is lost by definition.
const SNAPSHOT_ORDERS: u32 = 20;

const ORDERS: &[&str] = &[
    "kill -9 of the service",
    "SIGTERM of the service",
    "SIGSTOP of the service",
    "kill -9 of Postgres",
    "SIGSTOP of Postgres",
    "failover",
    "failover while the service is down",
    "snapshot taken or restored",
    "connections refused",
    "connections stalled",
];

struct Year<'a, 'b> {
    stage: &'a Stage<'b>,
    primary: Option<Cluster>,
    service: Service,
    snapshot: Option<(Snapshot, u32)>,
    random: Random,
    number: u32,
}

pub(super) fn year_of_kills(stage: &Stage<'_>, length: Length) -> Result<Report> {
    let seed = stage.world.options.seed;
    let orders = match length {
        Length::Short => 20,
        Length::Full => stage.world.options.orders,
    };
    say(&format!("  {orders} orders, seed {seed}"));
    let primary = stage.primary(&[])?;
    let mut service = stage.service()?;
    service.start_ready()?;
    let mut year = Year {
        stage,
        primary: Some(primary),
        service,
        snapshot: None,
        random: Random(seed),
        number: 0,
    };
    let mut counts = vec![0_u32; ORDERS.len()];
    let mut clients = Clients::default();
    let began = Instant::now();
    while year.number < orders {
        let load = light_load_on(&year.service, &format!("y{}", year.number), FEW, PAUSE)?;
        for _ in 0..BETWEEN.min(orders - year.number) {
            year.number += 1;
            let choice = year.random.below(ORDERS.len());
            let Some(name) = ORDERS.get(choice) else {
                continue;
            };
            if let Some(count) = counts.get_mut(choice) {
                *count += 1;
            }
            let done = year.order(choice).and_then(|()| settle(&load));
            done.map_err(|error| {
                format!(
                    "order {} of seed {seed}, {name}: {error}; the log is {}",
                    year.number,
                    year.service.log_file().display()
                )
            })?;
        }
        clients.add(load.stop());
        let findings = oracle::ask(stage, &clients)?;
        let report = Report::of(findings);
        say(&format!(
            "  {} orders, {} answers, {} lost, {:.0} s",
            year.number,
            clients.answers.len(),
            report.lost(),
            began.elapsed().as_secs_f64()
        ));
        if report.has_failed() {
            return Ok(report.remark(format!("seed {seed}, after {} orders", year.number)));
        }
    }
    let list: Vec<String> = ORDERS
        .iter()
        .zip(&counts)
        .map(|(name, count)| format!("{count} × {name}"))
        .collect();
    Ok(Report::of(oracle::ask(stage, &clients)?)
        .remark(format!("{orders} orders, seed {seed}: {}", list.join(", "))))
}

/// Until the service answers again and does its work.
fn settle(load: &Load) -> Result {
    load.wait_for_created(4, PATIENCE).map(|_| ())
}

impl Year<'_, '_> {
    /// Carries out one of [`ORDERS`].
    fn order(&mut self, choice: usize) -> Result {
        match choice {
            0 => self.kill_service(),
            1 => self.end_service(),
            2 => self.stop_service(),
            3 => self.kill_postgres(),
            4 => self.freeze_postgres(),
            5 => self.fail_over(),
            6 => self.fail_over_while_down(),
            7 => self.snapshot(),
            8 => self.hold_up(Mode::Refuse),
            _ => self.hold_up(Mode::Stall),
        }
    }

    fn primary(&mut self) -> Result<&mut Cluster> {
        Ok(self.primary.as_mut().ok_or("no primary")?)
    }

    fn moment(&mut self, most: u64) -> Duration {
        Duration::from_millis(20 + self.random.next() % most)
    }

    fn wait(&mut self, most: u64) {
        thread::sleep(self.moment(most));
    }

    fn kill_service(&mut self) -> Result {
        self.wait(100);
        self.service.kill()?;
        self.service.start_ready()
    }

    fn end_service(&mut self) -> Result {
        self.wait(100);
        self.service.signal(Signal::TERM)?;
        self.service.wait(PATIENCE)?;
        self.service.start_ready()
    }

    fn stop_service(&mut self) -> Result {
        self.service.signal(Signal::STOP)?;
        self.wait(500);
        self.service.signal(Signal::CONT)
    }

    fn kill_postgres(&mut self) -> Result {
        self.primary()?.kill()?;
        self.wait(300);
        self.primary()?.start()
    }

    fn freeze_postgres(&mut self) -> Result {
        self.primary()?.freeze()?;
        self.wait(1_500);
        self.primary()?.thaw()
    }

    /// A fresh standby that lacks the newest records becomes the primary.
    fn fail_over(&mut self) -> Result {
        let mut primary = self.primary.take().ok_or("no primary")?;
        let name = format!("c{}", self.number);
        let standby = primary.standby(&name)?;
        self.wait(200);
        standby.disconnect()?;
        self.wait(600);
        primary.kill()?;
        standby.promote()?;
        self.stage.switch_to(&standby);
        // Its snapshot goes with it.
        self.snapshot = None;
        primary.discard()?;
        self.primary = Some(standby);
        Ok(())
    }

    fn fail_over_while_down(&mut self) -> Result {
        self.wait(100);
        self.service.kill()?;
        let moved = self.fail_over();
        self.service.start_ready()?;
        moved
    }

    fn snapshot(&mut self) -> Result {
        let number = self.number;
        match self.snapshot.take() {
            Some((snapshot, taken)) if number - taken <= SNAPSHOT_ORDERS => {
                self.primary()?.restore(&snapshot)
            }
            _ => {
                let snapshot = self.primary()?.snapshot()?;
                self.snapshot = Some((snapshot, number));
                Ok(())
            }
        }
    }

    fn hold_up(&mut self, mode: Mode) -> Result {
        self.stage.proxy.set(mode);
        self.wait(800);
        self.stage.proxy.set(Mode::Pass);
        Ok(())
    }
}

/// Splitmix64: the same orders for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
