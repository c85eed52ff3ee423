package dev.openfeature.sdk;

import java.util.Map;

public final class ImmutableStructure implements Structure {
    private final Map<String, Value> values;

    public ImmutableStructure(Map<String, Value> values) {
        this.values = values;
    }

    @Override
    public Value getValue(String key) {
        return values.get(key);
    }

    @Override
    public Map<String, Value> asMap() {
        return values;
    }
}
