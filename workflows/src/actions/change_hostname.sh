# hostname_is_plain PATH: a small file that is nothing else, and has no other name that would keep the old content.
hostname_is_plain() {
	[ -f "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %h "$1")" = 1 ] && [ "$(stat -c %s "$1")" -le 65536 ]
}

# hostname_put KEPT EDIT PATH: what is kept, edited, takes the place of a file of the guest's tree, with its owner, mode and
# times. A link there is replaced, never followed, and so is none on the way. It is right again if it is repeated, so it
# need not be whole after a power cut.
hostname_put() {
	if [ -L "${3%/*}" ] || { [ -d "$3" ] && [ ! -L "$3" ]; }; then return 0; fi
	cp -a "$1" "$1.new"
	[ -z "$2" ] || sed "$2" "$1" >"$1.new"
	mv -fT "$1.new" "$3"
}

