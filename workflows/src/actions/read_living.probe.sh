# GUEST JOB PASS: the lists are there.

guest=$1 folder=$jobs/$2 pass=$3
if [ -e "$folder/begun.$pass" ]; then
	out state "done"
	living_answer
else
	out state absent
fi
