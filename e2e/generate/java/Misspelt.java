import abx.Abx;

/** A program that must not compile. */
final class Misspelt {
    boolean misspelt(Abx.Flags flags) {
        return flags.newNavigaton(null);
    }
}
