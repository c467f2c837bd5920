//! Names and amounts: one that is accepted is safe as one argument of a script and one component of a path, and is
//! printed as it is read.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use vsjob_engine::HostName;
use vsjob_workers::RunName;
use vsjob_workflows::{
    CpuPercent, DeviceName, GuestName, Leftover, Line, Megabytes, OnBudget, Span, TemplateName,
};

/// The bytes as each of the names.
pub(crate) fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    is_a_name_if_accepted::<HostName>(text, 63);
    is_a_name_if_accepted::<GuestName>(text, 46);
    is_a_name_if_accepted::<TemplateName>(text, 63);
    is_a_name_if_accepted::<DeviceName>(text, 15);
    is_a_name_if_accepted::<Leftover>(text, 61);
    is_a_name_if_accepted::<RunName>(text, 54);
    assert!(text.parse::<GuestName>().is_err() || !text.contains('.'));
    if let Some(line) = printed_as_read::<Line>(text) {
        assert!(line.len() <= 1000 && !line.contains(char::is_control));
    }
    printed_as_read::<OnBudget>(text);
    read_again_is_the_same::<Megabytes>(text);
    let _ = (text.parse::<CpuPercent>(), text.parse::<Span>());
}

fn is_a_name_if_accepted<T: FromStr + Display>(text: &str, longest: usize) {
    if let Some(name) = printed_as_read::<T>(text) {
        is_a_name(&name, longest);
    }
}

/// Of letters, digits, dots and hyphens; neither `..` nor an option.
pub(crate) fn is_a_name(name: &str, longest: usize) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    assert!(name.chars().all(plain), "{name:?}");
    assert!(!name.is_empty() && name.len() <= longest, "{name:?}");
    assert!(!name.contains("..") && !name.starts_with(['-', '.']), "{name:?}");
}

fn printed_as_read<T: FromStr + Display>(text: &str) -> Option<String> {
    let printed = text.parse::<T>().ok()?.to_string();
    assert_eq!(printed, text);
    Some(printed)
}

fn read_again_is_the_same<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse().ok(), Some(value));
    }
}
