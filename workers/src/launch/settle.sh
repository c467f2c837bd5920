# Makes durable what a command that is gone has done: it may have died between its effect and its fsync.

for settle_path in "$R/etc" "$R/root" "$R/var/lib" "$R/var/lib/machines"; do
	[ ! -d "$settle_path" ] || durable_tree "$settle_path"
done
