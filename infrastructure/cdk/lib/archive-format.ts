// The two formats of the archive: what Glue has to know of a file, and how Firehose makes one of lines of JSON.

import { ArnFormat } from "aws-cdk-lib";
import type { Stack } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Role } from "aws-cdk-lib/aws-iam";
import type { CfnDeliveryStream } from "aws-cdk-lib/aws-kinesisfirehose";
import { ID_COLUMN, ID_FIELD } from "./archive-columns";
import type { Config } from "./config";

/** Glue's table of events, in the archive's database. */
export const TABLE = "events";

const HIVE = "org.apache.hadoop.hive.ql.io";

export const FORMATS = {
  json: {
    parameters: { classification: "json", compressionType: "gzip" },
    inputFormat: "org.apache.hadoop.mapred.TextInputFormat",
    outputFormat: `${HIVE}.HiveIgnoreKeyTextOutputFormat`,
    serdeInfo: {
      serializationLibrary: "org.openx.data.jsonserde.JsonSerDe",
      parameters: { [`mapping.${ID_COLUMN}`]: ID_FIELD },
    },
  },
  parquet: {
    parameters: { classification: "parquet" },
    inputFormat: `${HIVE}.parquet.MapredParquetInputFormat`,
    outputFormat: `${HIVE}.parquet.MapredParquetOutputFormat`,
    serdeInfo: { serializationLibrary: `${HIVE}.parquet.serde.ParquetHiveSerDe`, parameters: {} },
  },
} as const satisfies Record<Config["archiveFormat"], unknown>;

/** Firehose compresses the file itself in no other way than Parquet does its columns. */
export function conversion(
  role: Role, databaseName: string, region: string,
): Pick<CfnDeliveryStream.ExtendedS3DestinationConfigurationProperty, "compressionFormat" | "dataFormatConversionConfiguration"> {
  return {
    compressionFormat: "UNCOMPRESSED",
    dataFormatConversionConfiguration: {
      enabled: true,
      inputFormatConfiguration: { deserializer: { openXJsonSerDe: { columnToJsonKeyMappings: { [ID_COLUMN]: ID_FIELD } } } },
      outputFormatConfiguration: { serializer: { parquetSerDe: { compression: "SNAPPY" } } },
      schemaConfiguration: { databaseName, tableName: TABLE, region, roleArn: role.roleArn, versionId: "LATEST" },
    },
  };
}

/** The table, and what holds it: Glue asks for leave on all three. */
export function tableArns(stack: Stack, databaseName: string): string[] {
  const arn = (resource: string, resourceName?: string) => stack.formatArn({
    service: "glue", resource,
    ...(resourceName === undefined
      ? { arnFormat: ArnFormat.NO_RESOURCE_NAME }
      : { resourceName, arnFormat: ArnFormat.SLASH_RESOURCE_NAME }),
  });
  return [arn("catalog"), arn("database", databaseName), arn("table", `${databaseName}/${TABLE}`)];
}

/** Firehose reads the columns from Glue, in the name of its role. */
export function readTable(stack: Stack, databaseName: string): PolicyStatement {
  return new PolicyStatement({
    actions: ["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"],
    resources: tableArns(stack, databaseName),
  });
}
