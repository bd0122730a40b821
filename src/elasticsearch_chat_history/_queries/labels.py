"""The script that changes the metadata of one document where it is.

Elasticsearch runs it again if somebody else changes the document meanwhile:
https://www.elastic.co/docs/reference/elasticsearch/rest-apis/update-document
"""

LABELLED_FIELDS = ("metadata",)
# It does what `relabelled` does. The label is a parameter, so that it is compiled once.
RELABEL = """
boolean merge(Map into, Map label) {
  boolean changed = false;
  for (def entry : label.entrySet()) {
    def key = entry.getKey();
    def value = entry.getValue();
    def old = into.get(key);
    if (value == null) {
      changed = into.containsKey(key) || changed;
      into.remove(key);
    } else if (value instanceof Map) {
      Map below = old instanceof Map ? old : new HashMap();
      boolean other = merge(below, value);
      if (other && !below.isEmpty()) {
        into.put(key, below);
      } else if (other) {
        into.remove(key);
      }
      changed = other || changed;
    } else if (!value.equals(old)) {
      into.put(key, value);
      changed = true;
    }
  }
  return changed;
}
Map metadata = ctx._source.metadata instanceof Map ? ctx._source.metadata : new HashMap();
if (!merge(metadata, params.label)) {
  ctx.op = 'none';
} else if (metadata.isEmpty()) {
  ctx._source.remove('metadata');
} else {
  ctx._source.metadata = metadata;
}
"""
