# snapshot_answer: where the snapshot and what belongs to it are, seen from the root of this host.
snapshot_answer() {
	snapshot_tree=$(volume_path "$snapshot")
	out tree "${snapshot_tree#"$R"}"
	out lists "${folder#"$R"}"
	read -r snapshot_since <"$folder/since"
	out since "$snapshot_since"
	read -r snapshot_down <"$folder/down"
	out down "$snapshot_down"
}

