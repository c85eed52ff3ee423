// Package openfeature has the types of the SDK that generated code uses, for machines that cannot fetch the SDK.
package openfeature

// EvaluationContext stands for the SDK's.
type EvaluationContext struct{}

// Option stands for the SDK's.
type Option func()
