# What guests are here: a line guest.NAME=STATE ENABLED DEFINED for each. Of names that cannot be a guest's only the
# number is told.

strange=0
found=$(volume_list)
while IFS= read -r name; do
	case $name in
	'' | .*) continue ;;
	*[!a-z0-9-]* | -* | *-)
		volume_exists "$name" || continue
		case $name in
		*.partial-???????? | *.moved-???????? | *.removed-???????? | *.replaced-????????) ;;
		*) strange=$((strange + 1)) ;;
		esac
		continue
		;;
	esac
	volume_exists "$name" || continue
	guest_state "$name"
	enabled=disabled defined=undefined
	if guest_enabled "$name"; then enabled=enabled; fi
	if guest_defined "$name"; then defined=defined; fi
	out "guest.$name" "$guest_state $enabled $defined"
done <<-END
	$found
END
out strange "$strange"
