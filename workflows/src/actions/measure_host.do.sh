# DEVICES: how much room is here, and which of these bridges, which are separated by blanks, are not.

lacks=
for device in $1; do
	link_device_exists "$device" || lacks="$lacks $device"
done
out arch "$(uname -m)"
out memory "$(awk '/^MemAvailable:/ { printf "%.0f", $2 * 1024; exit }' "$R/proc/meminfo")"
out disk "$(volume_free)"
out lacks "${lacks# }"
