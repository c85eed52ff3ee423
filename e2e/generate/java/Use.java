import abx.Abx;
import dev.openfeature.sdk.Client;
import dev.openfeature.sdk.EvaluationContext;

/** A program over generated code. */
final class Use {
    private Use() {}

    static String use(Client client, EvaluationContext context) {
        Abx.Flags flags = new Abx.Flags(client);
        boolean isNew = flags.newNavigation(context);
        int limit = flags.uploadLimitMb(context);
        String provider = flags.paymentSettings(context).provider();
        Long retries = flags.paymentSettings(context).retries();
        double large = new nasty.Abx.Flags(client).new_(context);
        return Abx.ExperimentKey.CHECKOUT_REDESIGN.key() + Abx.CheckoutRedesignVariant.REDESIGN.key()
            + new Abx.CheckoutRedesignPayload(true, "steps").layout() + isNew + limit + provider + retries + large;
    }
}
