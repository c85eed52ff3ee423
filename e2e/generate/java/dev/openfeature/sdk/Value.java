package dev.openfeature.sdk;

import java.util.List;

public class Value {
    private final Object inner;

    public Value() {
        inner = null;
    }

    public Value(Object value) throws InstantiationException {
        inner = value;
    }

    public Value(Value value) {
        inner = value.inner;
    }

    public Value(Boolean value) {
        inner = value;
    }

    public Value(String value) {
        inner = value;
    }

    public Value(Integer value) {
        inner = value;
    }

    public Value(Double value) {
        inner = value;
    }

    public Value(Structure value) {
        inner = value;
    }

    public Value(List<Value> value) {
        inner = value;
    }

    public boolean isNull() {
        return inner == null;
    }

    public boolean isList() {
        return inner instanceof List;
    }

    public boolean isStructure() {
        return inner instanceof Structure;
    }

    public Boolean asBoolean() {
        return inner instanceof Boolean it ? it : null;
    }

    public String asString() {
        return inner instanceof String it ? it : null;
    }

    public Double asDouble() {
        return inner instanceof Number it ? (Double) it.doubleValue() : null;
    }

    public Structure asStructure() {
        return inner instanceof Structure it ? it : null;
    }

    @SuppressWarnings("unchecked")
    public List<Value> asList() {
        return isList() ? (List<Value>) inner : null;
    }

    public Object asObject() {
        return inner;
    }
}
