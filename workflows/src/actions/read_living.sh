# living_answer: where the tree and what belongs to it are, seen from the root of this host, and when the pass began.
living_answer() {
	living_tree=$(volume_path "$guest")
	out tree "${living_tree#"$R"}"
	out lists "${folder#"$R"}"
	read -r living_since <"$folder/begun.$pass"
	out since "$living_since"
}

