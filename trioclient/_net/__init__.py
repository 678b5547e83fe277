"""Floor 2: sockets, pools and adapters. Sends what it is told; decides nothing about retries."""
