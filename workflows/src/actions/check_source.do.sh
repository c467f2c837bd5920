# GUEST LEAVES EXPECTED: the guest is here, whole, and nothing is in its tree that a copy would miss; nor in its definition, if it
# LEAVES. Its files take EXPECTED bytes or so; if that is 0, they are counted.

volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"
volume_is_own "$1" || fail permanent VSJ0471 "$1 is not a volume of its own"
guest_defined "$1" || fail permanent VSJ0472 "the guest $1 has no definition here"
volume_foreign "$1"
[ -z "$foreign" ] || fail permanent VSJ0473 "$1 contains $foreign, which a copy would miss"
guest_settle "$1" 400 || fail transient VSJ0442 "the guest $1 does not settle"
guest_peculiar "$1"
if [ -n "$peculiar" ] && [ "${2:-no}" = yes ]; then
	fail permanent VSJ0556 "the definition of $1 has $peculiar, which it would lack elsewhere"
fi
guest_facts "$1"
# A plan of an older master does not say.
bytes=${3:-0}
[ "$bytes" != 0 ] || bytes=$(volume_used "$1")
out bytes "$bytes"
out arch "$(uname -m)"
out lacks "$peculiar"
out device "$device"
