"""Tests of the local Elasticsearch, on real nodes where a node is what they are about."""
