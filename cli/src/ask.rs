//! Asks whoever sits at the terminal what a job asks. The job may be answered elsewhere meanwhile, so nothing waits for
//! the terminal.

use std::io::{BufRead, IsTerminal, stderr, stdin};
use std::sync::mpsc::{self, Receiver};

/// Whether somebody sits at a terminal who can be asked.
#[must_use]
pub(crate) fn is_possible() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// What was asked, and what was said.
#[derive(Debug, Default)]
pub(crate) struct Asker {
    question: Option<String>,
    said: Option<Receiver<bool>>,
}

impl Asker {
    /// Shows a question that is new. What was said to it meanwhile, if anything.
    pub(crate) fn ask(&mut self, question: Option<&str>, show: impl FnOnce(String)) -> Option<bool> {
        let said = match &self.said {
            Some(said) => said.try_recv().ok(),
            None => None,
        };
        if self.question.as_deref() == question {
            return said.filter(|_| question.is_some());
        }
        // What was said before it was asked was not said to it.
        self.question = question.map(str::to_owned);
        if let Some(question) = question.filter(|_| is_possible()) {
            show(format!("{question}. Go on? yes or no"));
            self.said.get_or_insert_with(listen);
        }
        None
    }
}

/// What is typed from now on. The thread ends with the program.
fn listen() -> Receiver<bool> {
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            let answer = match line.trim().to_lowercase().as_str() {
                "y" | "yes" => true,
                "n" | "no" => false,
                _ => continue,
            };
            if said.send(answer).is_err() {
                return;
            }
        }
    });
    heard
}
