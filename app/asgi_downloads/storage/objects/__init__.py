"""Objects of a store that speaks S3, below a prefix of a bucket, as a tree of files."""
