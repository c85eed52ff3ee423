// A program that must not compile.
package main

import (
	"context"

	"example.com/generated/abx"
	"github.com/open-feature/go-sdk/openfeature"
)

func main() {
	_, _ = abx.NewFlags(nil).NewNavigaton(context.Background(), openfeature.EvaluationContext{})
}
