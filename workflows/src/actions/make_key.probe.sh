# JOB

if [ -s "$jobs/$1/key.pub" ]; then
	out state "done"
	out key "$(cut -d ' ' -f 1,2 "$jobs/$1/key.pub")"
else
	out state absent
fi
