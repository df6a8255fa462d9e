"""What all hosts of all inventories share. docs/reference lists every setting there is."""

base_journal_max_mb = 500
docker_log_max_size = "100m"
