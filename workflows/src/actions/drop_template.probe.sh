# JOB

state="done"
for file in "$R/var/lib/vsjob/templates/$1".*; do
	[ ! -e "$file" ] || state=absent
done
out state "$state"
