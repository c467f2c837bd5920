# JOB VOLUME

if [ -s "$jobs/$1/push" ] && volume_exists "$2" && [ -d "$(volume_scratch "$2" "$1")" ]; then
	out state "done"
else
	out state absent
fi
