package dev.openfeature.sdk;

public interface EvaluationContext {}
