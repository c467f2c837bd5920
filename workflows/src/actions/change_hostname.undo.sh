# GUEST JOB TO: what was there is there again. The guest may have run meanwhile, and have put anything there.

root=$(volume_path "$1")
for file in hostname hosts; do
	[ ! -e "$jobs/$2/$file" ] || hostname_put "$jobs/$2/$file" '' "$root/etc/$file"
done
[ ! -d "$root" ] || durable_tree "$root"
rm -rf "${jobs:?}/$2"
durable "$jobs/$2"
