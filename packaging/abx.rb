# The Homebrew formula of abx. In the repository this is a template, in which `packaging/dist` fills in the words between @.
class Abx < Formula
  desc "Run experiments and feature flags on AWS from YAML documents"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license "Apache-2.0"

  @ARCHIVES@

  def install
    bin.install "abx"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/abx.bash" => "abx"
    fish_completion.install "completions/abx.fish"
    zsh_completion.install "completions/_abx"
  end

  test do
    system bin/"abx", "init", "--yes"
    system bin/"abx", "validate", "--deny-warnings"
    assert_match version.to_s, shell_output("#{bin}/abx --version")
  end
end
