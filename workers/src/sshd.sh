# Where the sshd listens that this channel came through. sudo hides that; then it is where sshd usually is.

# shellcheck disable=SC2086 # words are to be split
set -- ${SSH_CONNECTION:-}
case ${3:-localhost} in
*:*) out sshd "[$3]:$4" ;;
*) out sshd "${3:-localhost}:${4:-22}" ;;
esac
