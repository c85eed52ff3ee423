package dev.openfeature.sdk;

/** The methods of the SDK that generated code uses, for machines that cannot fetch the SDK; so are the classes beside it. */
public interface Client {
    Boolean getBooleanValue(String key, Boolean defaultValue, EvaluationContext ctx);

    String getStringValue(String key, String defaultValue, EvaluationContext ctx);

    Integer getIntegerValue(String key, Integer defaultValue, EvaluationContext ctx);

    Double getDoubleValue(String key, Double defaultValue, EvaluationContext ctx);

    Value getObjectValue(String key, Value defaultValue, EvaluationContext ctx);
}
