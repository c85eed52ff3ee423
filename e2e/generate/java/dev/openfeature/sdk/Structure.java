package dev.openfeature.sdk;

import java.util.Map;

public interface Structure {
    Value getValue(String key);

    Map<String, Value> asMap();
}
