# JOB: makes a key pair for that one job. Its private half never leaves this host.

transfer_key "$1"
out key "$key"
