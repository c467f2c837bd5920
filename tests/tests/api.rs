//! The API of a real master under random requests, valid and not, that are made from its own description: each is answered
//! as the description says, and afterwards the master runs, its jobs end, and what it keeps is whole.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use vsjob_tests::house::House;
use vsjob_tests::program::said;
use vsjob_tests::{figures, needs};

/// Random requests for each path and method, besides those for the edges of each field.
const EXAMPLES: &str = "40";

/// Not these: the description cannot say which names there are, so what is well formed may be refused all the same, and
/// a list is taken for the fields in their order.
const NOT_CHECKED: &str = "positive_data_acceptance,negative_data_rejection";

#[test]
fn any_request_is_answered_as_the_description_of_the_api_says() -> anyhow::Result<()> {
    let Some(schemathesis) = schemathesis() else {
        needs::skip("schemathesis (pip install schemathesis; VSJOB_SCHEMATHESIS names its program `st`)");
        return Ok(());
    };
    let house = House::new()?;
    let mut master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let address = bridge(house.program.state().join("vsjob.sock"))?;
    let seed = std::env::var("VSJOB_SEED").unwrap_or_else(|_| "1".to_owned());
    let examples = std::env::var("VSJOB_API_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let tried = Command::new(schemathesis)
        .args(["run", &format!("http://{address}/openapi.json")])
        .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure"])
        .args(["--checks", "all", "--exclude-checks", NOT_CHECKED])
        .args(["--max-examples", &examples, "--seed", &seed])
        .args(["--request-timeout", "60", "--warnings", "off", "--no-color"])
        .current_dir(house.program.folder())
        .env("NO_PROXY", "127.0.0.1")
        .output()?;
    let tried = said(tried)?;
    ensure!(tried.status.success(), "{}{}", tried.out, tried.err);

    ensure!(master.runs()?, "the master has ended: {}", house.program.log());
    ensure!(
        !house.program.log().contains("panicked"),
        "{}",
        house.program.log()
    );
    for job in jobs(&house)? {
        house.ended(&job)?;
    }
    ensure!(master.stop()?.success());
    house.program.run(&["audit", "verify"])?.ok()?;
    let count = tried.out.lines().find(|line| line.contains("generated"));
    figures::tell(format_args!(
        "the API, seed {seed}: {} random requests, each answered as its description says",
        count
            .and_then(|line| line.split_whitespace().next())
            .context("no count")?
    ));
    Ok(())
}

fn jobs(house: &House) -> anyhow::Result<Vec<String>> {
    let all = house
        .program
        .run(&["status", "--all", "--json", "--limit", "100000"])?
        .json()?;
    let jobs = all["jobs"].as_array().context("no jobs")?.iter();
    jobs.map(|job| Ok(job["job"].as_str().context("no id")?.to_owned()))
        .collect()
}

/// Its program: the one that is named, or the first in PATH.
fn schemathesis() -> Option<PathBuf> {
    let named = std::env::var_os("VSJOB_SCHEMATHESIS").map(PathBuf::from);
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("st"));
    named.or_else(|| found.find(|program| program.is_file()))
}

/// A port of this machine alone behind which the socket is: requests come from tools that know no Unix sockets.
fn bridge(socket: PathBuf) -> anyhow::Result<std::net::SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let socket = socket.clone();
            std::thread::spawn(move || carry(&client, &socket));
        }
    });
    Ok(address)
}

/// Carries one connection both ways, until both have ended. When the master ends it, which it may in the middle of a request
/// that it refuses, the client must not go on to ask where nobody listens.
fn carry(client: &TcpStream, socket: &Path) -> io::Result<()> {
    let master = UnixStream::connect(socket)?;
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| copy(client, &master).and_then(|()| master.shutdown(Shutdown::Write)));
        let answering = copy(&master, client);
        let ended = client.shutdown(Shutdown::Write);
        asking.join().unwrap_or(Ok(())).and(answering).and(ended)
    })
}

fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    io::copy(&mut from, &mut to).map(drop)
}
