//! What size and time do not tell, seen by the sender and the receiver alone. A guest renames folders while it is copied:
//! that changes nothing of the files beneath them, and under their new names the copy has other files, which may be of the
//! same size and time: what comes out of an archive often is. Or the clock of its host is set meanwhile.

use std::process::Command;

use anyhow::ensure;

const LIBRARIES: [&str; 2] = [
    include_str!("../../workers/src/prelude.sh"),
    include_str!("../../workers/src/transfer.sh"),
];

/// Passes of the tree $R/tree into $R/copy by the real sender, receiver and rsync; ssh alone is missing. The clock of the host
/// is $ahead seconds ahead, but for that of its files.
const PASSES: &str = r#"
ahead=0
mkdir -p "$R/proc/sys/kernel/random"
cp /proc/sys/kernel/random/boot_id "$R/proc/sys/kernel/random"
date() {
	case $1 in
	+%s%N) echo $(($(command date +%s%N) + ahead * 1000000000)) ;;
	*) command date "$@" ;;
	esac
}
job=1f2e3d4c
transfer_folder "$job"
mkdir -p "$R/copy" "$R/scratch"
printf '%s\n' "$R/copy" >"$jobs/$job/into"
printf '%s\n' "$R/scratch" >"$jobs/$job/scratch"
transfer_receiver >"$jobs/$job/receive"
printf 'shift; SSH_ORIGINAL_COMMAND="$*" exec sh %s/receive %s\n' "$jobs/$job" "$jobs/$job" >"$R/line"
transfer_shell="sh $R/line" transfer_target=target
transfer_with 0 no
pass() {
	# What was done before it is older than the kernel's clock stands still.
	sleep 0.1
	transfer_begins "$job"
	transfer_send "$job" "$R/tree" 0 "a pass"
	[ "$transfer_exit" = 0 ] || exit 1
	transfer_since "$job"
	diff -r "$R/tree" "$R/copy" >&2 || exit 9
}
folder() {
	mkdir -p "$R/tree/$1/deep er"
	printf '%s' "$2" | tee "$R/tree/$1/file" >"$R/tree/$1/deep er/-file"
	touch -d '2026-01-01 00:00:00' "$R/tree/$1/file" "$R/tree/$1/deep er/-file"
}
"#;

/// Folders are renamed between passes.
const RENAMED: &str = r#"
folder current old
folder next new
pass
mv "$R/tree/current" "$R/tree/previous"
mv "$R/tree/next" "$R/tree/current"
pass
mv "$R/tree/current" "$R/tree/next"
mv "$R/tree/previous" "$R/tree/current"
pass
pass
[ ! -s "$jobs/$job/doubtful" ] || exit 8
"#;

/// The clock was an hour ahead and is set back: by its time, what is written then is older than the pass before. It is written
/// with its old size, and given its old time again. And once more while the host is booted anew, ten seconds ago.
const SET_BACK: &str = r#"
ahead=3600
folder current old
pass
ahead=0
folder current new
pass
ahead=-3600
folder current old
pass
ahead=3600
pass
echo another >"$R/proc/sys/kernel/random/boot_id"
transfer_steady() { transfer_now=10000; }
ahead=0
folder current two
pass
"#;

fn passes(what: &str) -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let script = [LIBRARIES[0], LIBRARIES[1], PASSES, what].join("\n");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("R", root.path())
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

#[test]
fn files_beneath_a_folder_that_was_renamed_between_two_passes_are_right_in_the_copy() -> anyhow::Result<()> {
    passes(RENAMED)
}

#[test]
fn what_a_guest_writes_after_the_clock_of_its_host_was_set_back_is_in_the_copy() -> anyhow::Result<()> {
    passes(SET_BACK)
}
