# Runs the Homebrew formula of DIST as Homebrew does, with the methods of `Formula` that it uses: ruby .ci/formula.rb DIST
require "digest"
require "open3"
require "pathname"
require "tmpdir"

dist = Pathname(ARGV.fetch(0)).realpath

# Paths of a keg, which can be joined with "/" and be installed into.
class Pathname
  def install(*sources)
    mkpath
    sources.flatten.each do |source|
      names = source.is_a?(Hash) ? source : { source => File.basename(source) }
      names.each { |from, to| FileUtils.cp(from, self / to) }
    end
  end
end

class Formula
  PREFIX = Pathname(Dir.mktmpdir)
  ARCHIVES = {}

  class << self
    attr_reader :test_block

    %i[desc homepage license version].each do |name|
      define_method(name) do |value = nil|
        values[name] = value if value
        values.fetch(name)
      end
    end
    %i[on_macos on_linux on_arm on_intel].each do |name|
      define_method(name) do |&block|
        (@place ||= []).push(name)
        block.call
        @place.pop
      end
    end

    def values = (@values ||= {})
    def url(value) = ARCHIVES[@place.dup] = [value]
    def sha256(value) = ARCHIVES.fetch(@place) << value
    def test(&block) = @test_block = block
  end

  def version = self.class.version
  def bin = PREFIX / "bin"
  def man1 = PREFIX / "share/man/man1"
  def bash_completion = PREFIX / "etc/bash_completion.d"
  def fish_completion = PREFIX / "share/fish/vendor_completions.d"
  def zsh_completion = PREFIX / "share/zsh/site-functions"
  def system(*command) = Kernel.system(*command.map(&:to_s), out: File::NULL) || abort("formula: #{command.join(" ")} failed")
  def shell_output(command) = Open3.capture2(command).first
  def assert_match(expected, text) = text.include?(expected) || abort("formula: #{text.inspect} has no #{expected}")
end

load (dist / "abx.rb").to_s

place = [:on_linux, RbConfig::CONFIG["host_cpu"] == "x86_64" ? :on_intel : :on_arm]
url, sum = Formula::ARCHIVES.fetch(place)
archive = dist / File.basename(url)
abort "formula: the checksum is not that of #{archive}" if Digest::SHA256.file(archive).hexdigest != sum
abort "formula: #{url} is not in the release" unless url == "#{Abx.homepage}/releases/download/v#{Abx.version}/#{archive.basename}"

# Homebrew unpacks the archive, and starts in its only folder.
begin
  Dir.mktmpdir do |folder|
    Kernel.system("tar", "-xzf", archive.to_s, "-C", folder, exception: true)
    Dir.chdir(Dir.children(folder).then { |names| File.join(folder, *names) }) { Abx.new.install }
  end
  installed = Formula::PREFIX.glob("**/*").select(&:file?).map { |it| it.relative_path_from(Formula::PREFIX).to_s }
  expected = %w[bin/abx share/man/man1/abx.1 share/man/man1/abx-validate.1 etc/bash_completion.d/abx
                share/fish/vendor_completions.d/abx.fish share/zsh/site-functions/_abx]
  abort "formula: #{expected - installed} are not installed" unless (expected - installed).empty?
  Dir.mktmpdir { |folder| Dir.chdir(folder) { Abx.new.instance_exec(&Abx.test_block) } }
ensure
  FileUtils.rm_rf(Formula::PREFIX)
end
puts "formula: installs #{installed.size} files, and its test passes"
