"""From files on disk to batches on a device: fingerprints, the decoded cache, splits, statistics, batches."""
