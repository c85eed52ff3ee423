// A program over generated code, which is run as well.
package main

import (
	"context"
	"errors"

	"example.com/generated/abx"
	"example.com/generated/nasty"
	"github.com/open-feature/go-sdk/openfeature"
)

// client answers a payload, and the default for everything else.
type client struct{}

func (client) BooleanValue(_ context.Context, _ string, it bool, _ openfeature.EvaluationContext, _ ...openfeature.Option) (bool, error) {
	return it, nil
}

func (client) StringValue(_ context.Context, _ string, it string, _ openfeature.EvaluationContext, _ ...openfeature.Option) (string, error) {
	return it, nil
}

func (client) FloatValue(_ context.Context, _ string, it float64, _ openfeature.EvaluationContext, _ ...openfeature.Option) (float64, error) {
	return it, nil
}

func (client) IntValue(_ context.Context, _ string, it int64, _ openfeature.EvaluationContext, _ ...openfeature.Option) (int64, error) {
	return it, nil
}

func (client) ObjectValue(_ context.Context, key string, it any, _ openfeature.EvaluationContext, _ ...openfeature.Option) (any, error) {
	switch key {
	case "payment_settings":
		return map[string]any{"provider": "alpinepay", "timeout_ms": 5, "retries": 0}, nil
	case "described":
		return it, errors.New("not found")
	}
	return it, nil
}

func check(isSo bool, what string) {
	if !isSo {
		panic(what)
	}
}

func main() {
	ctx, evalCtx := context.Background(), openfeature.EvaluationContext{}
	flags := abx.NewFlags(client{})
	isNew, err := flags.NewNavigation(ctx, evalCtx)
	check(!isNew && err == nil, "a boolean")
	settings, err := flags.PaymentSettings(ctx, evalCtx)
	check(settings.Provider == "alpinepay" && settings.TimeoutMs == 5 && err == nil, "an object")
	limit, err := flags.UploadLimitMb(ctx, evalCtx)
	check(limit == 10 && err == nil, "a number")
	var variant abx.CheckoutRedesignVariant = abx.CheckoutRedesignVariantRedesign
	check(variant == "redesign" && abx.ExperimentCheckoutRedesign == "checkout_redesign", "a variant")
	payload := abx.CheckoutRedesignPayload{Layout: "steps"}
	check(!payload.ExpressButtons, "a payload")

	others := nasty.NewFlags(client{})
	text, err := others.HashCode(ctx, evalCtx)
	check(text == "*/ \"\"\" \\ \n \u2028 \\u0022 ${x} \U0001f600" && err == nil, "a text")
	described, err := others.Described(ctx, evalCtx)
	check(*described.Large == 9007199254740993 && described.Maybe == nil && err != nil, "a default")
	values, err := others.Struct(ctx, evalCtx)
	check(*values["x"] == 1 && values["\""] == nil && err == nil, "a map")
}
