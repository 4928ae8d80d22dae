import java.io.BufferedInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

/**
 * Reads each archive in both of Java's ways, after --streams only in the second; prints how many entries
 * and bytes there are, and the sum of the CRCs.
 */
class ReadZips {
    static final byte[] BUFFER = new byte[1 << 18];

    public static void main(String[] arguments) throws Exception {
        boolean files = true;
        for (String argument : arguments) {
            if (argument.equals("--streams")) {
                files = false;
                continue;
            }
            if (files) readFile(argument);
            readStream(argument);
        }
    }

    static void readFile(String path) throws Exception {
        long count = 0, bytes = 0, sum = 0;
        try (ZipFile zip = new ZipFile(path)) {
            for (ZipEntry entry : Collections.list(zip.entries())) {
                try (InputStream data = zip.getInputStream(entry)) {
                    long[] read = drain(data);
                    if (read[1] != entry.getCrc()) throw new Exception(path + ": CRC of " + entry);
                    count++;
                    bytes += read[0];
                    sum += read[1];
                }
            }
        }
        System.out.println("file " + count + " " + bytes + " " + sum);
    }

    static void readStream(String path) throws Exception {
        long count = 0, bytes = 0, sum = 0;
        InputStream file = new BufferedInputStream(Files.newInputStream(Path.of(path)), 1 << 18);
        try (ZipInputStream zip = new ZipInputStream(file)) {
            while (zip.getNextEntry() != null) {
                long[] read = drain(zip);
                count++;
                bytes += read[0];
                sum += read[1];
            }
        }
        System.out.println("stream " + count + " " + bytes + " " + sum);
    }

    static long[] drain(InputStream data) throws Exception {
        CRC32 crc = new CRC32();
        long bytes = 0;
        for (int got; (got = data.read(BUFFER)) > 0; bytes += got) crc.update(BUFFER, 0, got);
        return new long[] {bytes, crc.getValue()};
    }
}
