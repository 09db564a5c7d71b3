"""The ledger of a partition that is too large for memory: a cache of it on this machine's disk, in RocksDB."""
